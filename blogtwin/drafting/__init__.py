"""Verified drafting: from a writer's notes to a draft that says what the notes say, and nothing else.

In the order in which notes flow through it: `notes` (lines) → `claims` (what each line states) → `fence` (tokens that
would state more are never chosen) → `candidates` (several sentences at a time) → `gates` and `scoring` (which of them
is taken) → `drafter` (the search, and the writer's own words where the model finds none) → `receipt`.

`engine_writer` writes candidates with a model that another server holds, without the fence. `two_models` has one model
tell the notes plainly (`plain_prompt`), and another one put that into the voice.
"""
