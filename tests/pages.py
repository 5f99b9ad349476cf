"""A person at the pages, without a browser: follows links, fills in forms, keeps cookies.

For walks that click hundreds of times; what a page looks like and how it behaves in a real browser
is tested in ``tests/browser``.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit


@dataclass(slots=True)
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    """Collects the forms of a page with their present values."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        if self._form is None:
            return
        name = given.get("name", "")
        if tag == "input" and name:
            kind = given.get("type", "text")
            if kind == "submit":
                self._form.buttons.append((name, given.get("value", "")))
            elif kind not in {"checkbox", "radio"} or "checked" in given:
                self._form.fields[name] = given.get("value", "on" if kind == "checkbox" else "")
        elif tag == "button" and name:
            self._form.buttons.append((name, given.get("value", "")))
        elif tag == "textarea" and name:
            self._textarea = name
            self._form.fields[name] = ""
        elif tag == "select" and name:
            self._select = name
        elif (
            tag == "option"
            and self._select
            and ("selected" in given or self._select not in self._form.fields)
        ):
            self._form.fields[self._select] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._textarea and self._form is not None:
            self._form.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._textarea = ""
        elif tag == "select":
            self._select = ""


@dataclass(slots=True)
class Page:
    status: int
    path: str
    text: str

    @property
    def forms(self) -> list[Form]:
        reader = _Reader()
        reader.feed(self.text)
        return reader.forms

    @property
    def links(self) -> list[str]:
        reader = _Reader()
        reader.feed(self.text)
        return reader.links

    def form(self, action: str, button: tuple[str, str] | None = None) -> Form:
        """The form whose address contains ``action``, and that has the button if one is named."""
        for form in self.forms:
            if action in (form.action or self.path) and (not button or button in form.buttons):
                return form
        raise AssertionError(f"no form for {action!r} on {self.path}")


class Person:
    """One login with its cookies. Raises OSError when the server goes away meanwhile."""

    def __init__(self, port: int, *, timeout: float = 10.0) -> None:
        self.port = port
        self.timeout = timeout
        self.cookies: dict[str, str] = {}

    def _request(self, method: str, path: str, body: str = "") -> tuple[int, str, str]:
        """Status, Location and text of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        headers = {"Referer": f"http://127.0.0.1:{self.port}{path}"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body.encode() or None, headers)
            with connection.getresponse() as response:
                for value in response.headers.get_all("Set-Cookie") or []:
                    for name, morsel in SimpleCookie(value).items():
                        self.cookies[name] = morsel.value
                text = response.read().decode(errors="replace")
                return response.status, response.headers.get("Location", ""), text
        finally:
            connection.close()

    def _follow(self, answer: tuple[int, str, str], path: str) -> Page:
        status, location, text = answer
        for _ in range(5):
            if status not in {301, 302, 303}:
                break
            target = urlsplit(urljoin(path, location))
            path = f"{target.path}?{target.query}" if target.query else target.path
            status, location, text = self._request("GET", path)
        return Page(status, path, text)

    def get(self, path: str) -> Page:
        return self._follow(self._request("GET", path), path)

    def submit(
        self, page: Page, action: str, *, button: tuple[str, str] | None = None, **values: str
    ) -> Page:
        """Fill in the form whose address contains ``action`` and send it."""
        return self.send(page, page.form(action, button), button=button, **values)

    def send(
        self, page: Page, form: Form, *, button: tuple[str, str] | None = None, **values: str
    ) -> Page:
        """Fill in a form of a page and send it."""
        fields = {**form.fields, **values}
        if button is not None:
            fields[button[0]] = button[1]
        path = urlsplit(urljoin(page.path, form.action or page.path)).path
        if form.method == "get":
            return self.get(f"{path}?{urlencode(fields)}")
        return self._follow(self._request("POST", path, urlencode(fields)), path)

    def log_in(self, username: str, password: str = "demo") -> Page:
        page = self.submit(self.get("/login/"), "/login/", login=username, password=password)
        assert "/login/" not in page.path, f"{username} could not log in: {page.status}"
        return page
