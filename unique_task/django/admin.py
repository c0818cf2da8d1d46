"""The pages of locks in Django's admin: what is held, and releasing and holding."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import Any

from celery import Celery
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from .. import operating
from ..exceptions import ConfigurationError, UniqueError
from ..pages.words import duration, shown
from .counters import counters
from .forms import CallForm, HoldForm, in_admin
from .listing import listing
from .models import Lock
from .one_lock import explained, one_lock
from .project_app import celery_app
from .releasing import Selection, log_texts, messages_of

View = Callable[..., HttpResponse]

logger = logging.getLogger(__name__)


def page(*permissions: str) -> Callable[[View], View]:
    """Return the decorator of a page, which gets the project's Celery app.

    An error of this library is a message: no mistake in a setting is a 500.

    Arguments:
        permissions: that it needs beside that to view locks.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(
            self: LockAdmin, request: HttpRequest, *args: Any, **kwargs: Any
        ) -> HttpResponse:
            for action in ("view", *permissions):
                if not self.may(request, action):
                    raise PermissionDenied
            try:
                return view(self, request, _celery_app(), *args, **kwargs)
            except UniqueError as error:
                return self.render(request, "page", "Locks", missing=[error])

        return guarded

    return decorate


def _celery_app() -> Celery:
    try:
        return celery_app()
    except UniqueError:
        raise
    # Of a module of tasks it may be any: one that only workers can import, say.
    except Exception as error:
        logger.exception("the tasks cannot be imported")
        text = f"the tasks cannot be imported: {type(error).__name__}: {error}"
        raise ConfigurationError(text) from error


def user_name(request: HttpRequest) -> str:
    """Return the name of the user, which a project's own model may keep as a number."""
    return str(request.user.get_username())


@admin.register(Lock)
class LockAdmin(admin.ModelAdmin):
    """Locks, which nobody adds, changes or deletes; some may release and hold them.

    Attributes:
        timeout: seconds to wait for the workers' answers; 0 not to ask them.
    """

    timeout = 1.0

    def may(self, request: HttpRequest, action: str) -> bool:
        """Tell whether the user has the permission for an action on locks."""
        name = get_permission_codename(action, self.opts)
        return bool(request.user.has_perm(f"{self.opts.app_label}.{name}"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a lock: a call takes it, or an operator holds it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a lock."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes a lock: who may releases it."""
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: Any = None
    ) -> Lock:
        """Return what stands for the lock of a key; nothing is asked."""
        return Lock(key=object_id)

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the pages."""
        pages: dict[str, tuple[str, View]] = {
            "": ("changelist", self.changelist_view),
            "counters/": ("counters", self.counters_view),
            "call/": ("call", self.call_view),
            "hold/": ("hold", self.hold_view),
            "release/": ("release", self.release_view),
            "<path:object_id>/history/": ("history", self.history_view),
            "<path:object_id>/change/": ("change", self.change_view),
        }
        return [
            path(route, self._of_site(view), name=self._url_name(name))
            for route, (name, view) in pages.items()
        ]

    def _of_site(self, view: View) -> View:
        def wrapper(*args: Any, **kwargs: Any) -> HttpResponse:
            return self.admin_site.admin_view(view)(*args, **kwargs)

        setattr(wrapper, "model_admin", self)
        wrapper = update_wrapper(wrapper, view)
        # What is released is released, whatever becomes of the rest. And a transaction
        # of ATOMIC_REQUESTS that has read keeps locks out of a file of SQLite.
        for alias in connections:
            wrapper = transaction.non_atomic_requests(alias)(wrapper)
        return wrapper

    def _url_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def render(
        self, request: HttpRequest, template: str, title: str, **context: Any
    ) -> HttpResponse:
        """Return a page that looks as the site's others do."""
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"admin/unique_task/lock/{template}.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "subtitle": None,
                "opts": self.opts,
                "checkbox": ACTION_CHECKBOX_NAME,
                "may_release": self.may(request, "release"),
                "may_hold": self.may(request, "hold"),
                **context,
            },
        )

    def _to(self, name: str, *args: str) -> HttpResponseRedirect:
        url = f"{self.admin_site.name}:{self._url_name(name)}"
        return HttpResponseRedirect(reverse(url, args=[quote(one) for one in args]))

    @page()
    def changelist_view(
        self, request: HttpRequest, app: Celery, extra_context: Any = None
    ) -> HttpResponse:
        """List locks; with a selection, ask whether to release them."""
        if request.method == "POST":
            return self.release_view(request)
        context = listing(app, dict(request.GET.lists()), self.timeout)
        for key in context.pop("keys", ()):
            return self._to("change", key)
        return self.render(request, "change_list", "Locks", is_list=True, **context)

    @page()
    def change_view(
        self, request: HttpRequest, app: Celery, object_id: str, **_: Any
    ) -> HttpResponse:
        """Show one lock."""
        wanted = unquote(object_id)
        details = one_lock(app, wanted, self.timeout)
        return self.render(
            request, "change_form", f"Lock {shown(wanted)}", key=wanted, details=details
        )

    @page()
    def counters_view(self, request: HttpRequest, app: Celery) -> HttpResponse:
        """Show what was counted in the last hour."""
        return self.render(request, "counters", "The last hour", **counters(app))

    @page()
    def call_view(self, request: HttpRequest, app: Celery) -> HttpResponse:
        """Ask for a call; tell what would happen to it."""
        form = CallForm(request.POST or None, initial=request.GET.dict())
        tasks = operating.tasks(app)
        form.fields["wanted"].choices = [(one.task, one.task) for one in tasks]
        found = form.explain(app, self.timeout)
        context = {} if found is None else explained(found)
        return self.render(
            request, "call", "Explain a call", adminform=in_admin(form), **context
        )

    @page("release")
    def release_view(self, request: HttpRequest, app: Celery) -> HttpResponse:
        """Show what would be released; release it if that is confirmed."""
        chosen = Selection.of(request.POST if request.method == "POST" else request.GET)
        if not chosen.keys:
            self.message_user(request, "No lock is selected.", messages.WARNING)
            return self._to("changelist")
        if "post" not in request.POST:
            context = chosen.offered(app, self.timeout)
            return self.render(request, "release", "Release locks", **context)
        outcomes = chosen.released(app, request.POST, user_name(request), self.timeout)
        for key, text in log_texts(outcomes):
            self.log_change(request, Lock(key=key), text)
        for level, text in messages_of(outcomes):
            self.message_user(request, text, level)
        return self._to("changelist")

    @page("hold")
    def hold_view(self, request: HttpRequest, app: Celery) -> HttpResponse:
        """Ask for a key and a reason; hold it."""
        given = (request.POST or request.GET).dict()
        form = HoldForm(request.POST if "post" in request.POST else None, initial=given)
        held = form.hold(app, user_name(request), self.timeout)
        if held is None:
            return self.render(request, "hold", "Hold a key", adminform=in_admin(form))
        text = f"Held for {duration(held.seconds)}: {held.reason}"
        self.log_change(request, Lock(key=held.key), text)
        self.message_user(request, f"{text}. It ends by its time, or by a release.")
        for finding in held.findings:
            self.message_user(request, str(finding), messages.WARNING)
        return self._to("change", held.key)
