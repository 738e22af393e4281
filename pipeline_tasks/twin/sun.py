"""Where the sun stands and what reaches the ground under a clear sky."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.network import Floats

J2000_HOURS = 262_980.0  # hours from 1970-01-01 to 2000-01-01 12:00 UTC


def sine_elevation(epoch_hours: Floats, lon: Floats, lat: Floats) -> Floats:
    """Sine of the sun's elevation, (n_points, n_times); negative at night.

    Low-precision formulas of the Astronomical Almanac (Michalsky 1988, Solar Energy 40), good to 0.01 degrees, no refraction.

    Args:
        epoch_hours: hours since 1970-01-01 UTC.
        lon: degrees east.
        lat: degrees north.
    """
    days = (epoch_hours - J2000_HOURS) / 24
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = np.deg2rad(357.528 + 0.9856003 * days)
    ecliptic = np.deg2rad(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.deg2rad(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    sidereal = np.deg2rad(15 * (6.697375 + 0.0657098242 * days + epoch_hours % 24)) - ascension
    phi = np.deg2rad(lat)[:, None]
    flat, steep = np.sin(declination), np.cos(declination)
    sine: Floats = np.sin(phi) * flat + np.cos(phi) * steep * np.cos(sidereal + np.deg2rad(lon)[:, None])
    return sine


def clear_sky(epoch_hours: Floats, lon: Floats, lat: Floats) -> Floats:
    """Hourly mean of global horizontal irradiance without clouds, W/m2, (n_points, n_hours); Haurwitz 1945, three instants per hour."""
    total = np.zeros((len(lon), len(epoch_hours)))
    for minute in (10, 30, 50):
        sine = np.maximum(sine_elevation(epoch_hours + minute / 60, lon, lat), 1e-4)
        total += np.where(sine > 1e-3, 1098 * sine * np.exp(-0.057 / sine), 0.0)
    mean: Floats = total / 3
    return mean
