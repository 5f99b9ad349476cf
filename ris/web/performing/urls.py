"""Addresses of the rooms and of what is used in them."""

from __future__ import annotations

from django.urls import path

from ris.web.performing import catalog, details, views

urlpatterns = [
    path("room/", views.rooms, name="rooms"),
    path("room/<str:key>/", views.room, name="room"),
    path("room/<str:key>/ready/", views.ready, name="room-ready"),
    path("room/<str:key>/begin/", views.begin, name="room-begin"),
    path("room/<str:key>/complete/", views.complete, name="room-complete"),
    path("room/<str:key>/discontinue/", views.discontinue, name="room-discontinue"),
    path("room/<str:key>/call/", views.call, name="room-call"),
    path("room/<str:key>/view/<uuid:step>/", views.view, name="room-view"),
    path("room/<str:key>/supplies/<uuid:step>/", details.supplies, name="room-supplies"),
    path("room/<str:key>/reaction/<uuid:step>/", details.reaction, name="room-reaction"),
    path("room/<str:key>/change/<uuid:step>/", details.change, name="room-change"),
    path("steps/<uuid:step>/change/", details.change, name="step-change"),
    path("supplies/", catalog.supply_list, name="supplies"),
    path("supplies/new/", catalog.new, name="supply-new"),
    path("supplies/usual/", catalog.usual, name="supplies-usual"),
    path("supplies/<uuid:key>/", catalog.supply, name="supply"),
]
