"""A room's resource, and that of a device in it, belongs to the room's site."""

from django.db import migrations
from django.db.models import F, OuterRef, Subquery


def of_their_rooms(apps, schema_editor):
    resources = apps.get_model("ris", "Resource").objects.using(schema_editor.connection.alias)
    rooms = apps.get_model("ris", "Room").objects.filter(resource=OuterRef("pk"))
    devices = apps.get_model("ris", "Device").objects.filter(resource=OuterRef("pk"))
    resources.filter(kind="ROOM").update(site=Subquery(rooms.values("site")[:1]))
    resources.filter(kind="DEVICE").update(
        site=Subquery(devices.annotate(of=F("room__site")).values("of")[:1]),
        active=Subquery(devices.values("active")[:1]),
    )


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0032_what_booking_goes_by"),
    ]

    operations = [
        migrations.RunPython(of_their_rooms, migrations.RunPython.noop, elidable=True),
    ]
