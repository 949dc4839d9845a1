"""The parts of the task `finetune`: what it feeds, how it trains, what it keeps to go on after a stop."""
