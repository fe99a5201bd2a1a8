"""The routers, one per noun."""

from serve.routers import (
    chats,
    comparisons,
    dashboard,
    drafts,
    generation,
    health,
    models,
    openai,
    reading,
    training,
    websockets,
)

ALL = [
    module.router
    for module in (
        openai,
        generation,
        drafts,
        reading,
        chats,
        models,
        comparisons,
        training,
        dashboard,
        health,
        websockets,
    )
]
