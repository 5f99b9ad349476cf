"""Who waited for somebody else's change happened after it, by the clock as well."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ris.domain.orders import HoldOrder, OrderReference
from ris.models import AuditEvent, DomainEvent, Order
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_waited_for_a_change_is_told_with_a_later_time() -> None:
    order = make.order()
    begins = threading.Event()

    def hold() -> None:
        try:
            begins.set()
            command = HoldOrder(order=OrderReference(public_id=str(order.public_id)))
            execute(command, actor=people.ehr)
        finally:
            connection.close()

    waiting = threading.Thread(target=hold)
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=order.pk)
        waiting.start()
        begins.wait(timeout=20)
        time.sleep(0.3)  # it stands at the lock now
        changed_at = timezone.now()
    waiting.join(timeout=60)

    assert DomainEvent.objects.get(name="OrderHeld").at >= changed_at
    assert AuditEvent.objects.get(action="HoldOrder").at >= changed_at
