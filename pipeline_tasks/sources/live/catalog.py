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
    isone,
    miso,
    nyiso,
    openmeteo,
    pjm,
    spp,
)
from pipeline_tasks.sources.live.product import Product

CLIENTS = (caiso, ercot, pjm, miso, nyiso, isone, spp, ieso, entsoe, elexon, aemo, eia, gie, openmeteo, ecb, eua)
PRODUCTS: dict[str, Product] = {p.full_name: p for client in CLIENTS for p in client.PRODUCTS}
