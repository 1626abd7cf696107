"""The pages and routes of a toolbox that show its servers; `toolboxes` may not know them."""
