"""The routers, one per noun."""

from serve.routers import (
    chats,
    comparisons,
    dashboard,
    draft_sentences,
    drafts,
    generation,
    health,
    models,
    openai,
    reading,
    rewriting,
    training,
    watch,
    websockets,
)

ALL = [
    module.router
    for module in (
        openai,
        generation,
        drafts,
        draft_sentences,
        rewriting,
        reading,
        chats,
        models,
        comparisons,
        training,
        watch,
        dashboard,
        health,
        websockets,
    )
]
