"""Speech to text: Moonshine, which comes in a package, and Whisper, whose weights come from the Hub."""
