"""The expert's ten minutes."""


def go_expert(driver) -> None:
    pass
