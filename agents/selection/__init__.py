"""Finding an agent's tools by a request in words: `ranking` is what others use; docs/15-selection.md explains the method.

What ranks (`texts`, `clauses`, `lexical`, `meaning`, `index`) knows neither Django nor agents; `bench.selection` measures it alone.
"""

from agents import embedding as embedding  # says how numpy is to be used, which has to happen before numpy is imported
