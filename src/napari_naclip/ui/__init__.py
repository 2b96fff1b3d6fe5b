"""The dock widget: Qt through qtpy, thin."""
