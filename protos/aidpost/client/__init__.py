"""A small client of FleetService, for scripts: see docs/fleet-client.md.

It needs grpcio and protobuf alone. Messages are those of `aidpost.v1`; lists are iterators over all pages,
errors are exceptions with the details as fields, and a call is repeated where that is safe.
"""

from aidpost.client.credential import Credential, CredentialUnusable
from aidpost.client.errors import (
    Changed,
    Exhausted,
    FieldFault,
    FleetError,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotPossible,
    TimedOut,
    Unreachable,
    Violation,
)
from aidpost.client.fleet import FleetClient, connect
from aidpost.client.sending import Patience

__all__ = [
    "Changed",
    "Credential",
    "CredentialUnusable",
    "Exhausted",
    "FieldFault",
    "FleetClient",
    "FleetError",
    "InvalidRequest",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotPossible",
    "Patience",
    "TimedOut",
    "Unreachable",
    "Violation",
    "connect",
]
