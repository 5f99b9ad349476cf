"""Addresses of the people who watch the interfaces."""

from __future__ import annotations

from django.urls import path

from ris.web.exchange import (
    clients,
    comparing,
    editing,
    exceptions,
    interfaces,
    messages,
    parked,
    runs,
    subscriptions,
)

urlpatterns = [
    path("exceptions/", exceptions.exception_list, name="exceptions"),
    path("exceptions/performed/<uuid:key>/", exceptions.relink, name="exception-relink"),
    path("exceptions/corrections/<uuid:key>/undo/", exceptions.undo, name="correction-undo"),
    path("exceptions/follow-ups/<uuid:key>/", exceptions.settle, name="follow-up-settle"),
    path("exceptions/resolve/", exceptions.resolve, name="exception-resolve"),
    path("messages/", messages.message_list, name="messages"),
    path("messages/parked/", parked.parked, name="parked"),
    path("messages/compare/", comparing.compare, name="compare"),
    path("messages/runs/", runs.run_list, name="runs"),
    path("messages/runs/new/", runs.new, name="run-new"),
    path("messages/runs/<uuid:key>/", runs.run, name="run"),
    path("messages/runs/<uuid:key>/stop/", runs.stop, name="run-stop"),
    path("messages/in/<uuid:key>/", messages.inbound, name="message-in"),
    path("messages/in/<uuid:key>/body/", messages.inbound_body, name="message-in-body"),
    path("messages/in/<uuid:key>/edit/", editing.message, name="message-edit"),
    path("messages/in/<uuid:key>/replay/", messages.replay, name="message-replay"),
    path("messages/out/<uuid:key>/", messages.outbound, name="message-out"),
    path("messages/out/<uuid:key>/body/", messages.outbound_body, name="message-out-body"),
    path("messages/out/<uuid:key>/edit/", editing.delivery, name="delivery-edit"),
    path("messages/out/<uuid:key>/requeue/", messages.requeue, name="delivery-requeue"),
    path("messages/out/<uuid:key>/resend/", messages.resend, name="delivery-resend"),
    path("messages/out/<uuid:key>/skip/", messages.skip, name="delivery-skip"),
    path("interfaces/", interfaces.interface_list, name="interfaces"),
    path("interfaces/new/", interfaces.new, name="interface-new"),
    path("interfaces/subscriptions/", subscriptions.subscription_list, name="subscriptions"),
    path(
        "interfaces/subscriptions/<uuid:key>/remove/",
        subscriptions.remove,
        name="subscription-remove",
    ),
    path("interfaces/clients/", clients.client_list, name="api-clients"),
    path("interfaces/clients/add/", clients.add, name="api-client-add"),
    path("interfaces/clients/tokens/", clients.issue, name="api-token-issue"),
    path("interfaces/clients/tokens/<uuid:key>/revoke/", clients.revoke, name="api-token-revoke"),
    path("interfaces/clients/<path:client_id>/keys/", clients.keys, name="api-client-keys"),
    path(
        "interfaces/clients/<path:client_id>/disable/", clients.disable, name="api-client-disable"
    ),
    path("interfaces/clients/<path:client_id>/enable/", clients.enable, name="api-client-enable"),
    path("interfaces/alerts/<uuid:key>/", interfaces.acknowledge, name="alert-acknowledge"),
    path("interfaces/<uuid:key>/", interfaces.interface, name="interface"),
    path("interfaces/<uuid:key>/edit/", interfaces.edit, name="interface-edit"),
    path("interfaces/<uuid:key>/pause/", interfaces.pause, name="interface-pause"),
    path("interfaces/<uuid:key>/test/", interfaces.test, name="interface-test"),
    path("interfaces/<uuid:key>/requeue/", interfaces.requeue, name="interface-requeue"),
]
