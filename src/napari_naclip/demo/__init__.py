"""The bundled demo model, its data, its training and its evaluation.

A tiny CLIP trained with captions of procedurally drawn scenes and nothing
else, so that the plugin can be tried without a network. It knows about a
hundred words and no photographs; see ``MODEL_CARD.md``.
"""
