"""Clients of live markets: declarative products over one engine that fetches, keeps, checks and parses the providers' raw answers."""
