"""The reporting checklists of a paper, filled in where the software knows: STARD-AI, CLAIM, TRIPOD+AI."""
