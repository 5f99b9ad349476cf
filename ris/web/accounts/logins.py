"""Logins, for administrators: made, given roles and passwords, locked out and let in again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.password_validation import (
    password_validators_help_texts,
    validate_password,
)
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.accounts import CreateUser, DisableUser, GivePassword, SetRoles
from ris.domain.actors import LOGINS, Role
from ris.domain.commands import Command
from ris.domain.errors import RisError
from ris.models import User
from ris.selectors import accounts
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import asked
from ris.web.forms import PageForm
from ris.web.navigation import ROLES
from ris.web.paging import slice_of

ADMINISTRATORS = (Role.ADMIN,)


def _roles_field() -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=_("Roles"),
        choices=[(role.value, _(ROLES[role])) for role in ROLES if role in LOGINS],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        required=False,
    )


def _password_field() -> forms.CharField:
    return forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=" ".join(password_validators_help_texts()),
    )


class PasswordForm(PageForm):
    """A password by the rules of the site; they compare it with the name of whose it is."""

    def __init__(self, *args: Any, of: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of = of
        self.add({"password": _password_field()})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        whose = self._of or User(
            username=cleaned.get("username", ""),
            first_name=cleaned.get("first_name", ""),
            last_name=cleaned.get("last_name", ""),
            email=cleaned.get("email", ""),
        )
        if cleaned.get("password"):
            try:
                validate_password(cleaned["password"], whose)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class NewLoginForm(PasswordForm):
    username = forms.RegexField(
        r"^[\w.@+-]+$",
        label=gettext_lazy("Login"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
        error_messages={"invalid": gettext_lazy("Letters, digits and . @ + - _ only.")},
    )
    first_name = forms.CharField(label=gettext_lazy("Given name"), max_length=150, required=False)
    last_name = forms.CharField(label=gettext_lazy("Family name"), max_length=150)
    email = forms.EmailField(label=gettext_lazy("Mail"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add({"roles": _roles_field()})


class RolesForm(PageForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add({"roles": _roles_field()})


def _chosen(form: PageForm) -> frozenset[Role]:
    return frozenset(Role(value) for value in form.cleaned_data["roles"])


@require_http_methods(["GET", "POST"])
@page(*ADMINISTRATORS)
def logins(request: PageRequest) -> HttpResponse:
    form = NewLoginForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid() and _made(request, form):
            return redirect_back(request, "/users/")
    text = asked(request, "q", 60)
    page_of = slice_of(accounts.login_rows(text), request)
    lines = [accounts.login_line(row) for row in page_of.rows]
    context = {"form": form, "lines": _named(lines), "page": page_of, "text": text}
    return show(request, "accounts/logins.html", context, status=status)


def _named(
    lines: list[accounts.LoginLine],
) -> list[tuple[accounts.LoginLine, list[str]]]:
    return [(line, [_(ROLES[role]) for role in line.roles]) for line in lines]


def _made(request: PageRequest, form: NewLoginForm) -> bool:
    data = form.cleaned_data
    command = CreateUser(
        username=data["username"],
        password=data["password"],
        roles=_chosen(form),
        first_name=data["first_name"],
        last_name=data["last_name"],
        email=data["email"],
    )
    if not _done(request, form, command):
        return False
    words = _("%(name)s can log in. Tell the password in person, and to change it at once.")
    messages.success(request, words % {"name": data["username"]})
    return True


def _done(request: PageRequest, form: PageForm, command: Command[Any]) -> bool:
    try:
        do(request, command)
    except RisError as error:
        form.refuse(error)
        return False
    return True


@require_http_methods(["GET", "POST"])
@page(*ADMINISTRATORS)
def login(request: PageRequest, key: int) -> HttpResponse:
    """One of them, with its roles."""
    row = accounts.find_login(key)
    line = accounts.login_line(row)
    form = RolesForm(request.POST or None, initial={"roles": [role.value for role in line.roles]})
    if request.method == "POST" and form.is_valid():
        command = SetRoles(username=line.username, roles=_chosen(form))
        if _done(request, form, command):
            messages.success(request, _("The roles are changed, from the next click on."))
            return redirect_back(request, f"/users/{key}/")
    status = 422 if form.is_bound else 200
    return _show_one(request, row, form, PasswordForm(of=row), status)


def _show_one(
    request: PageRequest, row: User, form: RolesForm, password: PasswordForm, status: int
) -> HttpResponse:
    context = {
        "line": accounts.login_line(row),
        "form": form,
        "password": password,
        "is_self": row.pk == request.user.pk,
    }
    return show(request, "accounts/login_one.html", context, status=status)


@require_POST
@page(*ADMINISTRATORS)
def give_password(request: PageRequest, key: int) -> HttpResponse:
    row = accounts.find_login(key)
    form = PasswordForm(request.POST, of=row)
    if form.is_valid():
        command = GivePassword(username=row.get_username(), password=form.cleaned_data["password"])
        if _done(request, form, command):
            words = _("%(name)s can log in with it. Tell it in person, and to change it at once.")
            messages.success(request, words % {"name": row.get_username()})
            return redirect_back(request, f"/users/{key}/")
    roles = RolesForm(initial={"roles": [role.value for role in accounts.roles_of(row)]})
    return _show_one(request, row, roles, form, 422)


@require_POST
@page(*ADMINISTRATORS)
def lock_out(request: PageRequest, key: int) -> HttpResponse:
    row = accounts.find_login(key)
    do(request, DisableUser(username=row.get_username()))
    messages.success(request, _("Locked out, and logged out wherever they were."))
    return redirect_back(request, f"/users/{key}/")
