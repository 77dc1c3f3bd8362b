"""Generated input: containers that are damaged in odd ways, and laws that hold for whatever is given.

python -m tests.fuzz --n 5000 --seed 1          # each decoder, each file in its sandbox
python -m tests.fuzz --n 500 --seed 1 --app     # the running app, from upload to answer
"""
