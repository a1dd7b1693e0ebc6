"""How events move: consumed safely, processed in memoized steps, folded into tables. Knows no business."""
