"""Where the first boot finds and leaves what it knows; each write is whole or not there.

While the mark `first-boot` is in the data folder, the first boot is not over. The claim lies there from the
moment it was taken, on the encrypted partition, and is overwritten once it was used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from firmware.config import Config
from firmware.config_file import load
from firmware.first_boot.configuration import tables_of
from firmware.first_boot.mark import MARK, is_over
from firmware.guard.private_file import replace_private, shred, write_private
from firmware.uplink.identity_file import read_identity
from trust.claim_file import NAME, ClaimFile, read_claim_file
from trust.network import NETWORK_FILE, Network, Wifi
from trust.toml_text import Tables, to_toml


@dataclass(frozen=True, slots=True)
class Places:
    """config: the appliance's file, to be written. data: its data folder. network: of `network.toml`.

    base: what the image knows of the machine, as tables of the configuration; the claim's lie over it.
    """

    config: Path
    data: Path
    network: Path
    base: Tables

    @property
    def mark(self) -> Path:
        """What is there only while the first boot goes on."""
        return self.data / MARK

    @property
    def claim(self) -> Path:
        """The claim that was taken and not used up."""
        return self.data / NAME

    def over(self) -> bool:
        """Whether there is nothing to do: a configuration, and no first boot that was begun."""
        return is_over(self.config, self.data)

    def begin(self) -> None:
        """Note that the first boot goes on. Raises OSError, GuardUnavailable."""
        self.data.mkdir(0o700, parents=True, exist_ok=True)
        write_private(self.mark, b"")

    def finish(self) -> None:
        """Note that it is over. Raises OSError."""
        self.forget_claim()
        self.mark.unlink()

    def stage(self, claim: ClaimFile) -> None:
        """Keep a claim, instead of another one. Raises GuardUnavailable."""
        replace_private(self.claim, claim.to_text().encode())

    def take_wifi(self, wifi: Wifi) -> ClaimFile | None:
        """Use another Wi-Fi network, and return the claim with it; None where there is no claim to change.

        Raises ClaimFileRefused, GuardUnavailable, OSError.
        """
        claim = self.staged()
        if claim is None:
            return None
        network = msgspec.structs.replace(claim.network, wifi=wifi)
        claim = msgspec.structs.replace(claim, network=network)
        self.stage(claim)
        return claim

    def staged(self) -> ClaimFile | None:
        """Return the claim that was taken, None for none. Raises ClaimFileRefused, OSError."""
        try:
            return read_claim_file(self.claim)
        except FileNotFoundError:
            return None

    def forget_claim(self) -> None:
        """Overwrite and remove the claim, which was used or is good for nothing. Raises OSError."""
        shred(self.claim)

    def write(self, claim: ClaimFile) -> Config:
        """Write what the claim says of appliance and network, and return the configuration as it is read.

        The same claim writes the same files. Raises ConfigError, GuardUnavailable, OSError.
        """
        self.config.parent.mkdir(0o700, parents=True, exist_ok=True)
        self.write_network(claim.network)
        replace_private(self.config, to_toml(tables_of(claim, self.base, self.data)).encode())
        return load(self.config)

    def write_network(self, network: Network) -> None:
        """Write how the machine reaches its network from now on. Raises GuardUnavailable, OSError."""
        self.network.mkdir(0o700, parents=True, exist_ok=True)
        replace_private(self.network / NETWORK_FILE, network.to_text().encode())

    def joined(self) -> Config | None:
        """Return the configuration once this device has joined. Raises ConfigError, UplinkError."""
        identity = read_identity(self.data)
        if identity is None or not self.config.exists():
            return None
        config = load(self.config)
        named = identity.named
        return config if (named.device_id, named.site) == (config.device.id, config.device.site) else None
