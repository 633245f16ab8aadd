"""The login wing: JWT authentication for FastAPI. It knows nothing of sockets.

Four rings; a module imports its own ring and the ones below it.

    ring 0  words        clock  exceptions  identity  scopes  types
    ring 1  rules        claims  config  csrf  issuer  schema  signature  token  verifier
    ring 2  web          cookies
    ring 3  composition  facade
"""
