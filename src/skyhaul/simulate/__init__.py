"""The embedded archive: a faithful Copernicus Data Space on loopback, generated or recorded."""
