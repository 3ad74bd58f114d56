"""`python -m store`: serve on port 9001, or on PORT."""

import os
import sys

import uvicorn

from store.settings import SettingsError, read_database

try:
    read_database()
    port = int(os.environ.get("PORT") or "9001")
except SettingsError as error:
    sys.exit(f"store: {error}")
except ValueError:
    sys.exit("store: PORT is not a number")

uvicorn.run("store.app:app", host="127.0.0.1", port=port, log_level="warning")
