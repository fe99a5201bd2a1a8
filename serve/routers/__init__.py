"""One router for each noun."""

from serve.routers import generate, health, models, openai

ALL = [module.router for module in (openai, generate, models, health)]
