export const Draft = () => <p>Draft</p>;
