"""What PostgreSQL's errors mean for the store."""

from __future__ import annotations

import asyncpg

from aggregator.store.errors import (
    StatementRefused,
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


def _what(error: Exception) -> str:
    """Return class and SQLSTATE; what PostgreSQL says beside them repeats values of rows."""
    return f"{type(error).__name__}, {getattr(error, 'sqlstate', None) or 'no SQLSTATE'}"


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
            return StoreGone(f"the database server at {where} broke off ({_what(error)}): see that it runs")
        case asyncpg.RaiseError():
            return StatementRefused(
                f"the database at {where} refused it: {error.args[0]}"
            )  # in our own words
        case asyncpg.InsufficientPrivilegeError():
            return StoreUnavailable(
                f"the user of --store may not do that at {where} ({_what(error)}): check its rights"
            )
        case (
            asyncpg.DataError() | asyncpg.SyntaxOrAccessError() | asyncpg.IntegrityConstraintViolationError()
        ):
            return StatementRefused(
                f"the database at {where} refused a statement ({_what(error)}): its own log says which; "
                "tell those who keep Aidpost"
            )
        case asyncpg.PostgresError():
            return StoreUnavailable(f"the database at {where} cannot be used ({_what(error)}): see its log")
        case _:
            return StoreGone(
                f"no database server answers at {where} ({type(error).__name__}): check that it runs"
            )
