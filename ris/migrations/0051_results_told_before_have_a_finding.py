"""What was told of critical findings before there were clocks: each gets a finding and stays.

Nobody is asked for it again: it has no step of escalation.
"""

from datetime import timedelta
from typing import Any

from django.db import migrations

_AT_ONCE = 500
_LIMIT = 60  # minutes: the most urgent category of the starter, for nobody said another


def give_findings(apps: Any, schema_editor: Any) -> None:
    result_table = apps.get_model("ris", "CriticalResult")
    finding_table = apps.get_model("ris", "CriticalFinding")
    attempt_table = apps.get_model("ris", "CriticalAttempt")
    last = 0
    while rows := list(
        result_table.objects.filter(pk__gt=last, critical_finding__isnull=True)
        .select_related("report")
        .order_by("pk")[:_AT_ONCE]
    ):
        last = rows[-1].pk
        findings = finding_table.objects.bulk_create(
            [
                finding_table(
                    public_id=row.public_id,
                    order_id=row.report.order_id,
                    report_id=row.report_id,
                    result=row,
                    status="ACKNOWLEDGED" if row.acknowledged_at else "TOLD",
                    finding=row.finding,
                    category="RED",
                    category_name="Red: life is in danger",
                    minutes=_LIMIT,
                    share=50,
                    tell=row.told,
                    flagged_at=row.told_at,
                    flagged_by=row.told_by,
                    due_at=row.told_at + timedelta(minutes=_LIMIT),
                    told_at=row.told_at,
                    closed_at=row.acknowledged_at,
                    closed_by=row.acknowledged_by,
                )
                for row in rows
            ]
        )
        attempt_table.objects.bulk_create(
            [
                attempt_table(
                    critical=finding,
                    at=row.told_at,
                    by=row.told_by,
                    who=row.told,
                    how=row.by,
                    reached=True,
                    read_back=row.read_back,
                )
                for finding, row in zip(findings, rows, strict=True)
            ]
        )


class Migration(migrations.Migration):
    dependencies = [("ris", "0050_report_versions_stay")]

    operations = [migrations.RunPython(give_findings, migrations.RunPython.noop)]
