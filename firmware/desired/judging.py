"""What is to be said against a desired state before anything changes, and the configuration that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec

from firmware.config import Config, ConfigError, Retention, refuse_contradictions
from firmware.desired.settings import SettingsRefused, laid_over
from firmware.desired.shelf import SMALL_BYTES, Shelf
from firmware.desired.terms import InUse
from firmware.notices.reading import read_notices
from firmware.policy import PolicyRefused, PurposeRule, read_signed, rule_for
from firmware.recognition import Measured
from firmware.updater import Updater
from inference.errors import InferenceError
from inference.operating_point_file import modality_of
from inference.types import Modality
from trust.state import Artifact, ArtifactKind, DesiredState, Refusal, ServiceWindow

DAY_S = 24 * 3600
_RATES = {"fmr": "most_fmr", "fpir": "most_fpir"}


@dataclass(frozen=True, slots=True)
class Judge:
    """base: the appliance's own file. models: the set that came with the software of this `version`."""

    base: Config
    shelf: Shelf
    updater: Updater
    measured: Measured
    models: Artifact
    version: str

    def before_files(self, desired: DesiredState) -> tuple[Refusal, ...]:
        """Return what can be said without the files."""
        refusals = list(self._of_settings(desired))
        if desired.window is not None:
            refusals += _of_window(desired.window)
        for artifact in desired.artifacts:
            refusals += self._of_artifact(artifact)
        return tuple(refusals)

    def with_files(self, desired: DesiredState, used: InUse, policy_edition: int) -> tuple[Refusal, ...]:
        """Return what is to be said once the files are on the shelf.

        used: what would be in use with it. policy_edition: of the policy that is in force, 0 without one.
        """
        refusals = list(self._of_settings(desired))
        for artifact in desired.artifacts:
            match artifact.kind:
                case ArtifactKind.OPERATING_POINT:
                    refusals += self._of_point(artifact)
                case ArtifactKind.POLICY:
                    refusals += self._of_policy(artifact, policy_edition)
                case _:
                    pass
        if refusals:
            return tuple(refusals)
        try:
            config = built(self.base, used, self.shelf)
        except SettingsRefused as error:
            return error.refusals
        return self._of_reach(config)

    def fetched(self, desired: DesiredState) -> Sequence[Artifact]:
        """Return the files that have to be had: not those that came with the software in use."""
        return [each for each in desired.artifacts if not self._is_here(each)]

    def _is_here(self, artifact: Artifact) -> bool:
        if artifact.kind is ArtifactKind.MODELS:
            return artifact.digest == self.models.digest
        return artifact.kind is ArtifactKind.SOFTWARE and artifact.version == self.version

    def _of_settings(self, desired: DesiredState) -> tuple[Refusal, ...]:
        try:
            laid_over(self.base, desired.settings)
        except SettingsRefused as error:
            return error.refusals
        return ()

    def _of_artifact(self, artifact: Artifact) -> tuple[Refusal, ...]:
        if self._is_here(artifact):
            return ()
        reason: str | None = None
        if artifact.kind is ArtifactKind.SOFTWARE:
            reason = self.updater.refusal(artifact)
        elif artifact.kind is ArtifactKind.MODELS:
            reason = (
                "the gallery's templates are of the models that came with this software "
                f"({self.models.version}): desire the software that brings others"
            )
        elif artifact.size_bytes > SMALL_BYTES:
            reason = f"it has {artifact.size_bytes} bytes, more than any of its kind: add the right file"
        return () if reason is None else (_against(artifact, reason),)

    def _of_reach(self, config: Config) -> tuple[Refusal, ...]:
        """Refuse a rate at which no evidence that this appliance can have would be enough for a match."""
        if not self.measured.sources:
            return ()
        point = self.measured.point(config.inference.operating_point)
        fingers = [each for each in self.measured.sources if modality_of(each) is Modality.FINGER]
        evidence = (*self.measured.sources, *fingers[:1] * (len(config.session.fingers) - 1))
        smallest = point.supported_fmr(evidence)
        if config.policy.fmr >= smallest:
            return ()
        said = f"at {config.policy.fmr:g} nobody could be matched here: desire {smallest:.2g} or more, which"
        return (Refusal("settings.policy.fmr", f"{said} is the strictest that its operating point supports"),)

    def _of_point(self, artifact: Artifact) -> tuple[Refusal, ...]:
        try:
            self.measured.point(self.shelf.path(artifact))
        except InferenceError as error:
            return (_against(artifact, self._said(artifact, error)),)
        return ()

    def _of_policy(self, artifact: Artifact, edition: int) -> tuple[Refusal, ...]:
        device = self.base.device
        try:
            policy = read_signed(self.shelf.path(artifact), self.base.issuer.trusted())
            rule_for(policy, device.site, device.purpose)
        except PolicyRefused as error:
            return (_against(artifact, self._said(artifact, error)),)
        if policy.edition < edition:
            went_back = f"edition {edition} is in force here, and this is {policy.edition}: sign a newer one"
            return (_against(artifact, went_back),)
        return ()

    def _said(self, artifact: Artifact, error: Exception) -> str:
        """Return what is wrong with a file, without its path here, which tells the desk nothing."""
        return str(error).replace(str(self.shelf.path(artifact)), "the file")


def built(base: Config, used: InUse | None, shelf: Shelf) -> Config:
    """Return the configuration of the file with what is in use over it. Raises SettingsRefused."""
    if used is None:
        return base
    config = laid_over(base, used.settings)
    for artifact in used.artifacts:
        match artifact.kind:
            case ArtifactKind.OPERATING_POINT:
                inference = msgspec.structs.replace(config.inference, operating_point=shelf.path(artifact))
                config = msgspec.structs.replace(config, inference=inference)
            case ArtifactKind.POLICY:
                config = msgspec.structs.replace(config, retention=Retention(policy=shelf.path(artifact)))
            case _:
                pass
    try:
        refuse_contradictions(config)
    except ConfigError as error:
        raise SettingsRefused((Refusal("settings", str(error)),)) from error
    try:
        read_notices(config.page)
    except ConfigError as error:
        raise SettingsRefused((Refusal("settings.page.languages", str(error)),)) from error
    if refusals := _of_rates(base, config, _rule(config)):
        raise SettingsRefused(refusals)
    return config


def _of_rates(base: Config, config: Config, rule: PurposeRule | None) -> tuple[Refusal, ...]:
    """Refuse rates that are laxer than the signed policy allows, or without its word than the file has."""
    refusals = []
    for rate, limit in _RATES.items():
        wanted, of_file = getattr(config.policy, rate), getattr(base.policy, rate)
        most = None if rule is None else getattr(rule, limit)
        allowed = of_file if most is None else most
        if wanted > allowed and wanted != of_file:
            whose = "the appliance's own file" if most is None else "the site's signed data policy"
            refusals.append(
                Refusal(
                    f"settings.policy.{rate}",
                    f"{wanted:g} is laxer than {allowed:g}, the most that {whose} allows: desire a stricter "
                    f"one, or sign a policy with a larger {limit}",
                )
            )
    return tuple(refusals)


def _rule(config: Config) -> PurposeRule | None:
    if config.retention is None:
        return None
    try:
        policy = read_signed(config.retention.policy, config.issuer.trusted())
        return rule_for(policy, config.device.site, config.device.purpose)
    except PolicyRefused:
        return None  # told where the policy is read; without its word nothing is allowed


def _of_window(window: ServiceWindow) -> tuple[Refusal, ...]:
    if not all(0 <= time_s < DAY_S for time_s in (window.start_s, window.end_s)) or not set(
        window.weekdays
    ) <= set(range(7)):
        return (Refusal("window", "its times are within one day, and its weekdays from 0 to 6: correct it"),)
    try:
        ZoneInfo(window.time_zone)
    except (ValueError, OSError, LookupError):  # no such zone; a name that is a path; a folder
        return (
            Refusal(
                "window.time_zone",
                f"{window.time_zone[:60]!r} is no time zone that is known here: write it as Africa/Nairobi",
            ),
        )
    return ()


def _against(artifact: Artifact, reason: str) -> Refusal:
    return Refusal(f"artifacts.{artifact.kind.value}", reason)
