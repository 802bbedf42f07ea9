"""From a blocking server to async/await: nine steps, the exercises, and one page of answers."""
