package appstream

import (
	"slipway/api/convert"
	"slipway/domain"
	aws "slipway/wire/appstream"
)

// What each operation is about: the ARNs of AWS's service authorization
// reference for AppStream. An export is authorized against all images, as the
// service does.

func imageARN(c domain.Caller, name string) string {
	return domain.ImageARN(c.Key(domain.KindImage, name))
}

func describedImages(c domain.Caller, in *aws.DescribeImagesRequest) []string {
	about := append([]string(nil), in.Arns...)
	for _, n := range in.Names {
		about = append(about, imageARN(c, n))
	}
	if len(about) == 0 {
		about = []string{imageARN(c, "*")}
	}
	return about
}

func deletedImage(c domain.Caller, in *aws.DeleteImageRequest) []string {
	return []string{imageARN(c, convert.Val(in.Name))}
}

func exportedImage(c domain.Caller, _ *aws.CreateExportImageTaskRequest) []string {
	return []string{imageARN(c, "*")}
}

func taggedResource(_ domain.Caller, in *aws.TagResourceRequest) []string {
	return []string{convert.Val(in.ResourceArn)}
}

func untaggedResource(_ domain.Caller, in *aws.UntagResourceRequest) []string {
	return []string{convert.Val(in.ResourceArn)}
}

func listedResource(_ domain.Caller, in *aws.ListTagsForResourceRequest) []string {
	return []string{convert.Val(in.ResourceArn)}
}
