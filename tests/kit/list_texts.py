"""A list of a cycle and one of a clinic's day, as a spreadsheet program saves them."""

from __future__ import annotations

from datetime import date

from trust.lists.parsing import parse
from trust.lists.table import read_csv
from trust.lists.terms import ClinicList, DistributionList

TODAY = date(2026, 11, 25)
DISTRIBUTION = """\
Aidpost list,distribution
site,camp-3
cycle,c12
first day,2026-11-25
last day,2026-11-27
desk,Desk 2
loss cap,10
roster,desk-1 desk-2

household,size,collectors,alternates,cohort,ration rice (kg),ration soap (piece)
H-1,5,P-1 P-2,P-9,f 18-59,"12,5",4
H-2,2,P-3,,,10,
"""
CLINIC = """\
Aidpost list,clinic
site,harbour
day,2026-11-25
number,time,cohort
A-1,8:30,60+
A-2,,
"""


def planned(text: str) -> DistributionList | ClinicList:
    return parse(read_csv(text.encode()))
