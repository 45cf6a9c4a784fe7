"""What PostgreSQL's errors mean for the store."""

from __future__ import annotations

import asyncpg

from aggregator.store.errors import (
    StoreBusy,
    StoreError,
    StoreFull,
    StoreGone,
    StoreMissing,
    StoreUnavailable,
)
from aggregator.store.place import Server

FAULTS = (
    TimeoutError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""What talking to a server raises."""


def store_error(where: Server, error: Exception) -> StoreError:
    """Return the store's own error; its message names the server and no password."""
    match error:
        case asyncpg.DiskFullError() | asyncpg.OutOfMemoryError():
            return StoreFull(f"the database server at {where} has no room: make some on its disk")
        case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError() | asyncpg.LockNotAvailableError():
            return StoreBusy(f"two workers wanted the same rows at {where}")
        case asyncpg.ClientConfigurationError():
            return StoreUnavailable(f"--store for {where} cannot be used: {error}")
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return StoreUnavailable(
                f"the database server at {where} does not let this user in: check both in --store"
            )
        case asyncpg.InvalidCatalogNameError():
            return StoreMissing(
                f"there is no such database at {where}: make it with createdb, or name another"
            )
        case asyncpg.UndefinedTableError():
            return StoreMissing(
                f"the database at {where} is no aggregator's store: `serve` makes one of an empty one"
            )
        case asyncpg.ReadOnlySQLTransactionError() | asyncpg.TargetServerAttributeNotMatched():
            return StoreUnavailable(
                f"the database server at {where} takes no writes: name the primary in --store, or promote it"
            )
        case (
            asyncpg.PostgresConnectionError()
            | asyncpg.OperatorInterventionError()
            | asyncpg.IdleInTransactionSessionTimeoutError()
            | asyncpg.TooManyConnectionsError()
        ):
            return StoreGone(f"the database server at {where} broke off ({error}): look whether it runs")
        case asyncpg.PostgresError():
            return StoreUnavailable(
                f"the database at {where} cannot be used ({type(error).__name__}: {error})"
            )
        case _:
            return StoreGone(
                f"no database server answers at {where} ({type(error).__name__}): check that it runs"
            )
