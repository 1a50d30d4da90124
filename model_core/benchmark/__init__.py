"""How fast training and prediction are on this machine, as ratios against plain baselines in the same run."""
