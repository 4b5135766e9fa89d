"""The chart, and what is made for it: values, renders, images, dashboards and alerts."""
