package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/work"
	"slipway/work/bucket"
)

// transferFlags declares where EC2's import and export tasks may read and write.
func (c *ServeConfig) transferFlags(fs *flag.FlagSet) {
	fs.StringVar(&c.ImportDir, "import-dir", "", "let ImportImage read, and ExportImage write, files below this `dir`ectory by file:// URLs; every account with those permissions may")
	fs.StringVar(&c.S3Endpoint, "s3-endpoint", "", "the S3-compatible `origin` of the buckets that import and export tasks name, such as https://minio.example.com:9000")
	fs.StringVar(&c.S3KeyFile, "s3-key", "", "the `file` with the access key for it, ID:SECRET in one line")
	fs.StringVar(&c.S3Region, "s3-region", c.S3Region, "the `region` that requests to it are signed for")
}

func (c *ServeConfig) validateTransfers() error {
	if (c.S3Endpoint == "") != (c.S3KeyFile == "") {
		return &usageError{msg: "--s3-endpoint and --s3-key go together"}
	}
	if c.S3Endpoint != "" {
		u, err := url.Parse(c.S3Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return &usageError{msg: fmt.Sprintf("--s3-endpoint is %q: it must look like https://minio.example.com:9000", c.S3Endpoint)}
		}
	}
	if c.ImportDir == "" {
		return nil
	}
	dir, err := filepath.Abs(c.ImportDir)
	if err != nil {
		return fmt.Errorf("find the directory of imports: %w", err)
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() || dir == "/" {
		return &usageError{msg: fmt.Sprintf("--import-dir is %q: it must be a directory that exists, and not the root", c.ImportDir)}
	}
	c.ImportDir = dir
	return nil
}

// openObjects is the service of the buckets; nil when there is none.
func openObjects(c ServeConfig) (work.Objects, error) {
	if c.S3Endpoint == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.S3KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the key of --s3-key: %w", err)
	}
	id, secret, ok := strings.Cut(strings.TrimSpace(string(text)), ":")
	if !ok || id == "" || secret == "" {
		return nil, fmt.Errorf("%s must hold an access key as ID:SECRET in one line", c.S3KeyFile)
	}
	return &bucket.Client{Endpoint: c.S3Endpoint, Region: c.S3Region, KeyID: id, Secret: secret, Now: time.Now}, nil
}
