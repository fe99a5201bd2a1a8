"""One router for each noun."""

from serve.routers import chats, comparisons, dashboard, drafts, generation, health, models, openai, training, websockets

ALL = [module.router for module in (openai, generation, drafts, chats, models, comparisons, training, dashboard, health, websockets)]
