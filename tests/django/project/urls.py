"""The pages of the project: its admin, and another one for those who operate it."""

from django.contrib import admin
from django.urls import path

from unique_task.django.admin import LockAdmin
from unique_task.django.models import Lock


class Locks(LockAdmin):
    """Locks on their own: no worker is asked."""

    timeout = 0


ops = admin.AdminSite(name="ops")
ops.register(Lock, Locks)

urlpatterns = [path("admin/", admin.site.urls), path("ops/", ops.urls)]
