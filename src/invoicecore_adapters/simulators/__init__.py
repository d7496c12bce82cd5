"""Payment providers on loopback, for tests of gateways and for trying invoicecore without an account."""
