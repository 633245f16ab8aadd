"""The login wing: JWT authentication for FastAPI. It knows nothing of sockets.

Four rings; a module imports its own ring and the ones below it.

    ring 0  words        clock  exceptions  identity  scopes  types
    ring 1  rules        callbacks  claims  config  csrf  issuer  policy  ratelimit  schema  sessions
                         signature  token  tracking  verifier
    ring 2  web          cookies  dependencies  guards  limiter  locations  middleware  openapi
                         responses  shortcuts
    ring 3  composition  facade  manager
"""
