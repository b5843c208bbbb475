"""The command line with pages of ten products, so that some hundred products are many slices. Run as a process."""

from __future__ import annotations

from skyhaul import pull
from skyhaul.__main__ import main
from skyhaul.protocols import Paging
from skyhaul.providers.cdse import Cdse

PAGE_SIZE = 10

if __name__ == "__main__":
    # As the real ones relate to each other: a page a request, a slice some eight pages, four pages ahead of the line.
    Cdse.paging = Paging(page_size=PAGE_SIZE, deepest_skip=10 * PAGE_SIZE, concurrency=4)
    pull.PRODUCTS_QUEUED = 4 * PAGE_SIZE
    main()
