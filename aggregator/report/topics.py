"""The guideline topics of the Biometrics Institute: what the system can say about each, and what not."""

from __future__ import annotations

from collections.abc import Iterator

from aggregator.report.figures import Figures
from aggregator.report.values import Section, rate_in_words


def topics(found: Figures) -> Iterator[Section]:
    """Yield one section a topic, in the Institute's order."""
    registered = sum(sum(site.registrations.values()) for site in found.sites)
    accepted = sum(site.registrations.get("accepted", 0) for site in found.sites)
    without = sum(site.by_basis.get("card only", 0) + site.by_basis.get("paper", 0) for site in found.sites)
    complaints = sum(sum(site.complaints.values()) for site in found.sites)
    declined = sum(site.declined for site in found.sites)
    said_of = (
        (
            "Proportionality",
            f"{without} people were served by card or paper alone in the period, and {declined} did not "
            "want biometrics. Whether biometrics were needed at all is for the assessment to say.",
        ),
        (
            "Informed consent",
            f"Of {registered} registrations {accepted} were accepted after the notice; the answer, the "
            "notice's version, its language and the time are stored before any capture. Whether it was "
            "understood is not known here.",
        ),
        (
            "Protection",
            "Templates reach this aggregator only as ciphertext of a sealed gallery. On an appliance they "
            "lie in an encrypted store, protected under a key of the gallery. Resistance to photos or "
            "moulds is not claimed.",
        ),
        (
            "Purpose",
            f"{len(found.galleries)} galleries, each of one site and one purpose; a query for another is "
            "refused in code. A use outside this system cannot be seen here.",
        ),
        (
            "Accountability",
            "Acts of administration and each use on an appliance are in hash chains; `aidpost decision "
            "explain` replays one. Reading of records here is not logged.",
        ),
        (
            "Sharing",
            "Templates leave an appliance only to a party that the site's signed data policy names, with a "
            "row in its audit log. What was given, the appliance's log says; it is not reported here.",
        ),
        (
            "Cross-border transfer",
            "Where the aggregator and its backups stand is not known to the system: the assessment has to "
            "say it.",
        ),
        (
            "Retention",
            "Entries end by the days of the signed data policy, lists with their day or cycle, records on "
            "appliances a day after the acknowledgement. The aggregator's own records have no end in this "
            "version.",
        ),
        ("Impact assessment", "This report is meant as an annex; it does not replace the assessment."),
        (
            "Accuracy",
            f"Wrongful refusals are estimated above ({rate_in_words(found.refusals)}). Wrong matches cannot "
            "be seen in operation: thresholds rest on measured false match rates, which `aidpost "
            "operating-point show` names with their data.",
        ),
        (
            "Communication",
            "Notices and sentences are the same for everybody and kept by version. What was said beside "
            "them is not known.",
        ),
        (
            "Non-discrimination",
            "Refusals by cohort stand above where lists name cohorts and groups are large enough. "
            + ("They do." if found.cohorts else "No list of the period named any, so nothing can be said.")
            + " Cohorts that lists do not name cannot be seen.",
        ),
        (
            "Complaints with human intervention",
            f"{complaints} complaints were recorded on the spot, by category alone. HELP leads to a person "
            "from every state. What became of a complaint is not kept here.",
        ),
    )
    for name, said in said_of:
        yield Section(name, (said,))
