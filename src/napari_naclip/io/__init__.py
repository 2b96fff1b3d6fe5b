"""Files in and out; knows neither layers nor widgets."""
