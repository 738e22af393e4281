"""All products of all clients, by `provider/name`."""

from __future__ import annotations

from pipeline_tasks.sources.live import (
    aemo,
    caiso,
    ecb,
    eia,
    elexon,
    entsoe,
    ercot,
    eua,
    gie,
    ieso,
    ieso_market,
    isone,
    miso,
    miso_api,
    nyiso,
    openmeteo,
    pjm,
    pjm_reserves,
    spp,
)
from pipeline_tasks.sources.live.product import Product

CLIENTS = (
    caiso,
    ercot,
    pjm,
    pjm_reserves,
    miso,
    miso_api,
    nyiso,
    isone,
    spp,
    ieso,
    ieso_market,
    entsoe,
    elexon,
    aemo,
    eia,
    gie,
    openmeteo,
    ecb,
    eua,
)
PRODUCTS: dict[str, Product] = {p.full_name: p for client in CLIENTS for p in client.PRODUCTS}
