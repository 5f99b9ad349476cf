"""The patient's page, what the desk sees of it, and the rules of messages."""

from __future__ import annotations

from django.urls import path, register_converter

from ris.web.patient_link import desk, questions, rules, views


class TokenConverter:
    """A token as it is made; anything else is no address of ours."""

    regex = "[0-9a-f]{32}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(TokenConverter, "token")

urlpatterns = [
    path("p/<token:token>/", views.visit, name="patient-visit"),
    path("p/<token:token>/confirm/", views.confirm, name="patient-confirm"),
    path("p/<token:token>/cancel/", views.cancel, name="patient-cancel"),
    path("p/<token:token>/move/", views.move, name="patient-move"),
    path("p/<token:token>/questions/", questions.questions, name="patient-questions"),
    path("p/<token:token>/messages/", views.choose, name="patient-choose"),
    path("p/<token:token>/appointment.ics", views.calendar, name="patient-calendar"),
    path("appointments/<uuid:key>/patient/", desk.contact, name="patient-contact"),
    path("patient-messages/", rules.overview, name="patient-messages"),
    path("patient-messages/rules/<str:occasion>/<str:channel>/", rules.rule, name="message-rule"),
    path(
        "patient-messages/texts/<str:occasion>/<str:channel>/<str:language>/",
        rules.text,
        name="message-text",
    ),
    path("patient-messages/page/", rules.policy, name="patient-policy"),
]
