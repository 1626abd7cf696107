"""A scripted, OpenAI-compatible model for testing an agent's runtime: it plays the ``gold_calls`` of a task as a competent model would.

So a task that fails is the runtime's failure (discovery, selection, execution, streaming, recovery), and no model's:

* it finds its task by the task's ``prompt`` in the user's messages (``{root}`` in it is captured, and put into the arguments);
* it only calls tools that the request offers. Where the one that it needs is not among them, it uses a search for tools if there is one,
  or a tool that calls others by name, once a search has told it the name; else it gives up with an answer that begins with ``CANNOT:``;
* later arguments and the answer are computed from the results that the runtime sent back (``{"$py": "..."}``), so a result that was lost,
  cut or mixed up makes the task fail;
* the calls of one ``step`` are made side by side in one message (one at a time where the request has ``parallel_tool_calls: false``).

It keeps nothing of a conversation: all is worked out from the messages, so retries, restarts and replayed histories work. Only the
counters that let a fault occur a limited number of times are kept.

    .venv/bin/python -m bench.scripted --tasks FILE --port 8099

``POST /v1/chat/completions`` (streamed or not), ``GET /v1/models``, ``GET /health``, ``GET /__scripted/log``, ``POST /__scripted/reset``,
``PUT /__scripted/tasks`` (a JSON list that replaces the tasks), ``PUT /__scripted/faults`` (``{"faults": SPEC}``; see ``faults.py``).
"""
