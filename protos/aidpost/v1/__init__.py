"""Generated from the .proto files beside it by `make protos`; committed, and compared by `make check`."""
