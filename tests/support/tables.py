"""Every table in which a connection could leave something behind."""

from typing import Any

from authx import AuthXSocket


def tables(socket: AuthXSocket) -> dict[str, Any]:
    """Return all that a socket knows of transports and connections, by the name of the table."""
    server = socket.sio
    manager = server.manager
    return {
        "connections": list(server.registry),
        "arrivals": dict(server._arrivals),
        "departures": dict(server._departures),
        "devices": dict(server._devices),
        "tasks": {task for task in server._tasks if not task.done()},
        "environs": dict(server.environ),
        "backlogs": dict(server._backlogs),
        "marks": dict(server._expiry._terms),
        "alarms": {alarm for alarm in (server._alarm,) if alarm is not None},
        "watches": set(server._notices._watches),
        "refreshing": set(server._refreshing),
        "named": dict(server.registry._by_name),
        "keys": dict(server.registry._by_key),
        "questions": dict(server.questions._open),
        "partial packets": dict(server._reader._partial),
        "transports": dict(server.eio.sockets),
        "rooms": dict(manager.rooms),
        "callbacks": dict(manager.callbacks),
        # python-socketio 5.18 has come to keep these too.
        "pending connects": dict(getattr(manager, "pending_connect", {})),
        "pending disconnects": dict(manager.pending_disconnect),
    }


def filled(socket: AuthXSocket) -> dict[str, Any]:
    """Return the tables that hold something."""
    return {name: table for name, table in tables(socket).items() if table}
