"""Lists with their filters under a name."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.saved_views import ViewedPage
from ris.models.base import Public, known


class SavedView(Public):
    """An address of a list, of one login or of all who have a role."""

    owner = models.ForeignKey(
        "ris.User", null=True, blank=True, on_delete=models.CASCADE, related_name="saved_views"
    )
    role = models.CharField(max_length=20, blank=True, default="")
    page = models.CharField(max_length=20)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, blank=True, default="")
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("page", ViewedPage), name="saved_view_page"),
            models.CheckConstraint(
                condition=Q(owner__isnull=False, role="") | Q(owner__isnull=True) & ~Q(role=""),
                name="saved_view_of_login_or_role",
            ),
            models.UniqueConstraint(
                fields=["owner", "page", "name"],
                condition=Q(owner__isnull=False),
                name="saved_view_name_of_login",
            ),
            models.UniqueConstraint(
                fields=["role", "page", "name"],
                condition=Q(owner__isnull=True),
                name="saved_view_name_of_role",
            ),
            models.UniqueConstraint(
                fields=["owner", "page"],
                condition=Q(owner__isnull=False, is_default=True),
                name="saved_view_one_default_of_login",
            ),
            models.UniqueConstraint(
                fields=["role", "page"],
                condition=Q(owner__isnull=True, is_default=True),
                name="saved_view_one_default_of_role",
            ),
        ]

    def __str__(self) -> str:
        return self.name
