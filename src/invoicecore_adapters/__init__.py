"""Adapters of invoicecore: stores, gateways, mailers and renderers, each found through the entry-point group."""
