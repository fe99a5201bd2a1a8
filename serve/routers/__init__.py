"""One router for each noun."""

from serve.routers import blind, dashboard, generate, health, models, openai, post, sessions, sockets, training

ALL = [module.router for module in (openai, generate, post, sessions, models, blind, training, dashboard, health, sockets)]
