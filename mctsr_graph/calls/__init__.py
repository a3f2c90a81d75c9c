"""One call to a model: asked, limited, tried again, recorded and counted."""
