"""Weather points and nodes meet in H3 cells (needs the group `live`, whose h3 library it is)."""

from __future__ import annotations

import polars as pl

from pipeline_tasks.sources.protocol import SourceError

RESOLUTION = 5  # cells of about 250 km2, as fine as weather models


def cell_of(latitude_deg: float, longitude_deg: float, resolution: int = RESOLUTION) -> str:
    """The H3 cell that holds a point."""
    import h3

    return str(h3.latlng_to_cell(latitude_deg, longitude_deg, resolution))


def point_of(region: str) -> tuple[float, float]:
    """Latitude and longitude of a region: `lat,lon`, or the centre of an H3 cell.

    Raises:
        SourceError: it is neither, or h3 is not installed.
    """
    if "," in region:
        latitude, longitude = (float(part) for part in region.split(","))
        return latitude, longitude
    try:
        import h3
    except ImportError as error:
        raise SourceError(f"region {region!r} is an H3 cell, which needs h3: uv sync --group live; or write `lat,lon`") from error
    if not h3.is_valid_cell(region):
        raise SourceError(f"region {region!r} is neither `lat,lon` nor an H3 cell; write 48.1,11.6 or 851f8d6ffffffff")
    latitude, longitude = h3.cell_to_latlng(region)
    return latitude, longitude


def node_cells(nodes: pl.DataFrame, resolution: int = RESOLUTION) -> pl.DataFrame:
    """Nodes with the cell each lies in; nodes without a place are left out.

    Args:
        nodes: bus, latitude_deg, longitude_deg (`raw.grid_buses`).
        resolution: of the cells.

    Returns:
        The rows with `cell`.
    """
    placed = nodes.filter(pl.col("latitude_deg").is_not_null() & pl.col("longitude_deg").is_not_null())
    cells = [cell_of(a, b, resolution) for a, b in placed.select("latitude_deg", "longitude_deg").iter_rows()]
    return placed.with_columns(pl.Series("cell", cells, dtype=pl.String))


def weather_at_nodes(weather: pl.DataFrame, nodes: pl.DataFrame, resolution: int = RESOLUTION) -> pl.DataFrame:
    """Weather rows of each node: those whose `area` is the node's cell.

    Args:
        weather: rows of `raw.quantities` whose areas are cells of this resolution.
        nodes: as `node_cells`.
        resolution: of the cells.

    Returns:
        bus, cell, and the columns of the weather rows; nodes in cells without weather are absent.
    """
    return node_cells(nodes, resolution).select("bus", "cell").join(weather, left_on="cell", right_on="area", how="inner")
